// A caller that disconnects. On Workers this cancels the request; workerd does so for a call through a service binding.

export default {
  /** Forwards a request, and disconnects once the URL in the header `disconnect-when` responds. */
  async fetch(request, env) {
    const caller = new AbortController();
    const response = env.POSTERN.fetch(new Request(request, { signal: caller.signal }));
    const error = response.then(() => "none", ({ name }) => name);
    await fetch(request.headers.get("disconnect-when"));
    caller.abort();
    return new Response(await error);
  },
};
