export const grow = async () => [];
