// Draws SVG.

const escape = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

/**
 * A picture: its elements, a function that adds a text, and one that returns the whole with a size and a description for
 * readers who do not see it.
 */
export function drawing() {
  const parts = [];
  const text = (at, y, content, more = "") => parts.push(`<text x="${at.toFixed(1)}" y="${y}" ${more}>${escape(content)}</text>`);
  const svg = (width, height, label) => `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, sans-serif" role="img" aria-label="${escape(label)}">
<rect width="${width}" height="${height}" fill="#ffffff"/>
${parts.join("\n")}
</svg>
`;
  return { parts, text, svg };
}
