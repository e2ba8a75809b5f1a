// A Worker that makes the calls of its KV binding that a request lists, [method, ...arguments] each, and answers what
// came of each: as JSON has no bytes they are {base64}, a stream is {stream}, a Map {map}, undefined {undefined}.
const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const base64 = (buffer) => btoa([...new Uint8Array(buffer)].map((byte) => String.fromCharCode(byte)).join(""));

async function shown(value) {
  if (value === undefined) return { undefined: true };
  if (value instanceof ArrayBuffer) return { base64: base64(value) };
  if (value instanceof ReadableStream) return { stream: base64(await new Response(value).arrayBuffer()) };
  if (value instanceof Map) return { map: Object.fromEntries(value) };
  if (value !== null && typeof value === "object" && "value" in value) return { ...value, value: await shown(value.value) };
  return value;
}

function given(value, before) {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
  if ("base64" in value) return bytes(value.base64).buffer;
  if ("stream" in value) return new Response(bytes(value.stream)).body;
  if ("pieces" in value) {  // a stream whose length nobody knows
    const { readable, writable } = new TransformStream();
    const writer = writable.getWriter();
    (async () => {
      for (const piece of value.pieces) await writer.write(bytes(piece));
      await writer.close();
    })().catch(() => {});
    return readable;
  }
  if ("size" in value) return "x".repeat(value.size);
  if ("cursor" in value && typeof value.cursor === "number") return { ...value, cursor: before[value.cursor].cursor };
  return value;
}

export default {
  async fetch(request, env) {
    const told = [];
    for (const [method, ...parts] of await request.json()) {
      try {
        told.push(await shown(await env.KV[method](...parts.map((each) => given(each, told)))));
      } catch (error) {
        told.push({ error: error.message });
      }
    }
    return Response.json(told);
  },
};
