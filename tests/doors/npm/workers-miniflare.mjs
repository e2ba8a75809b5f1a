// Serves the Worker in the file named first by miniflare, until stdin ends; prints where. Its binding KV is the port of
// the URL named second, else miniflare's own.
import { Miniflare } from "miniflare";

const [scriptPath, url] = process.argv.slice(2);
const miniflare = new Miniflare({
  modules: true,
  scriptPath,
  compatibilityDate: "2026-04-01",
  kvNamespaces: { KV: { id: "KV", ...(url && { remoteProxyConnectionString: new URL(url) }) } },
});
console.log((await miniflare.ready).href);
process.stdin.resume().on("end", async () => {
  await miniflare.dispose();
  process.exit(0);
});
