// unstorage over Cloudflare's KV API: unstorage-kv.mjs write|read|clear URL
import assert from "node:assert/strict";
import { createStorage } from "unstorage";
import driver from "unstorage/drivers/cloudflare-kv-http";

const [act, apiURL] = process.argv.slice(2);
const options = { apiURL, accountId: "me", namespaceId: "default", apiToken: process.env.TOKEN };
const storage = createStorage({ driver: driver(options) });

const acts = {
  async write() {
    await storage.setItem("text", "hello");
    await storage.setItem("cart:7", { hats: 1, note: "é" });
    await storage.setItem("list", [1, 2]);
    await storage.setItem("number", 5);
    await storage.setItem("dated", "x", { ttl: 100 });
    await storage.setItemRaw("raw", "bytes");
    await storage.setItem("gone", "x");
    await storage.removeItem("gone");
  },
  async read() {
    assert.equal(await storage.getItem("text"), "hello");
    assert.deepEqual(await storage.getItem("cart:7"), { hats: 1, note: "é" });
    assert.deepEqual(await storage.getItem("list"), [1, 2]);
    assert.equal(await storage.getItem("number"), 5);
    assert.equal(await storage.getItem("gone"), null);
    assert.equal(await storage.hasItem("text"), true);
    assert.equal(await storage.hasItem("gone"), false);
    const keys = (await storage.getKeys()).filter((key) => key !== "told").sort();
    assert.deepEqual(keys, ["cart:7", "dated", "list", "number", "raw", "text"]);
    assert.deepEqual(await storage.getKeys("cart"), ["cart:7"]);
  },
  async clear() {
    await storage.clear();
    assert.deepEqual(await storage.getKeys(), []);
  },
};

await acts[act]();
