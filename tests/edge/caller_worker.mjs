// A caller that disconnects, or that holds its body. On Workers a request whose caller disconnects is cancelled. workerd
// cancels it if the caller uses a service binding.

export default {
  /** Forwards a request. Goes on once the URL in the header `wait-for` responds. */
  async fetch(request, env) {
    const caller = new AbortController();
    const { readable, writable } = new TransformStream();
    const holdsBody = request.headers.has("hold-body");
    const { url, method, headers } = request;
    const text = await request.text();
    const body = holdsBody ? readable : text;
    const response = env.POSTERN.fetch(url, { method, headers, body, signal: caller.signal });
    const outcome = response.then(async (received) => `${received.status} ${await received.text()}`, ({ name }) => name);
    await fetch(headers.get("wait-for"));
    if (holdsBody) {
      const writer = writable.getWriter();
      await writer.write(new TextEncoder().encode(text));
      await writer.close();
    } else caller.abort();
    return new Response(await outcome);
  },
};
