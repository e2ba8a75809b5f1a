// Cloudflare's own JavaScript library against a colo: cloudflare-kv.mjs write|read|thread|delete URL ...
import assert from "node:assert/strict";
import Cloudflare, { toFile } from "cloudflare";

const account_id = "me";
const kvAt = (url) => new Cloudflare({ baseURL: `${url}/client/v4`, apiToken: process.env.TOKEN }).kv.namespaces;

async function refused(call, status, code) {
  await assert.rejects(call, (error) => {
    assert.deepEqual([error.status, error.errors.map((each) => each.code)], [status, [code]]);
    return true;
  });
}

async function all(pages) {
  const found = [];
  for await (const each of pages) found.push(each);
  return found;
}

const acts = {
  async write(url) {
    const kv = kvAt(url);
    const made = await kv.create({ account_id, title: "js1" });
    assert.equal(made.title, "js1");
    await refused(() => kv.create({ account_id, title: "js1" }), 400, 10014);
    const put = (key, value, more) => kv.values.update(key, { account_id, namespace_id: made.id, value, ...more });
    await put("a/b", await toFile(Buffer.from([0, 255]), "blob"));
    await put("taken apart", "text", { metadata: { owner: "ann", deep: { n: 1 }, tags: ["x", "y"] }, expiration_ttl: 3600 });
    await put("as text", "text", { metadata: JSON.stringify({ n: 1 }) });
    await put("large", "x".repeat(3_000_000));
    await put("gone", "x");
    await kv.values.delete("gone", { account_id, namespace_id: made.id });
    await refused(() => kv.values.get("gone", { account_id, namespace_id: made.id }), 404, 10009);
    const body = Array.from({ length: 25 }, (_, i) => ({ key: `many/${10 + i}`, value: `v${i}`, metadata: { i } }));
    assert.equal((await kv.bulkUpdate(made.id, { account_id, body })).successful_key_count, 25);
    const renamed = await kv.update(made.id, { account_id, title: "js2" });
    assert.deepEqual([renamed.id, renamed.title], [made.id, "js2"]);
    console.log(made.id);
  },

  async read(url, id) {
    const kv = kvAt(url);
    const at = { account_id, namespace_id: id };
    const named = (await all(kv.list({ account_id, per_page: 1, order: "title" }))).map((each) => each.title);
    assert.deepEqual(named, ["default", "js2"]);
    assert.equal((await kv.get(id, { account_id })).title, "js2");
    const bytes = await (await kv.values.get("a/b", at)).arrayBuffer();
    assert.deepEqual([...new Uint8Array(bytes)], [0, 255]);
    assert.equal((await (await kv.values.get("large", at)).text()).length, 3_000_000);
    const told = await kv.metadata.get("taken apart", at);
    assert.deepEqual(told, { owner: "ann", deep: { n: "1" }, tags: ["x", "y"] });
    assert.deepEqual(await kv.metadata.get("as text", at), { n: 1 });
    const found = (await all(kv.keys.list(id, { account_id, limit: 10 }))).filter((key) => key.name !== "told");
    assert.equal(found.length, 29);
    assert.ok(found.find((key) => key.name === "taken apart").expiration > Date.now() / 1000 + 3000);
    assert.equal((await all(kv.keys.list(id, { account_id, prefix: "many/1" }))).length, 10);
    const { values } = await kv.bulkGet(id, { account_id, keys: ["many/10", "none"], withMetadata: true });
    assert.deepEqual(values, { "many/10": { value: "v0", metadata: { i: 0 } }, none: null });
    const done = await kv.bulkDelete(id, { account_id, body: ["many/10", "many/11"] });
    assert.equal(done.successful_key_count, 2);
    assert.equal((await all(kv.keys.list(id, { account_id, prefix: "many/" }))).length, 23);
  },

  async thread(first, second) {
    const at = { account_id, namespace_id: "default" };
    const [one, two] = [kvAt(first).values, kvAt(second).values];
    const mine = JSON.parse(await (await one.get("todo", at)).text());
    const theirs = JSON.parse(await (await two.get("todo", at)).text());
    assert.deepEqual(mine, theirs);
    await one.update("todo", { ...at, value: JSON.stringify(mine.filter((entry) => entry !== 5)) });
    await two.update("todo", { ...at, value: JSON.stringify([...theirs, 8, 9]) });
  },

  async delete(url, id) {
    const kv = kvAt(url);
    await kv.delete(id, { account_id });
    await refused(() => kv.get(id, { account_id }), 404, 10013);
  },
};

const [act, ...words] = process.argv.slice(2);
await acts[act](...words);
