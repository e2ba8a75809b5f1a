// Every client of package.json that is a module loads; or those named.
const all = ["@keyv/redis", "@keyv/test-suite", "cloudflare", "ioredis", "keyv", "miniflare", "redis", "unstorage", "workerd"];
const named = process.argv.slice(2);
for (const name of named.length ? named : all) {
  await import(name);
  console.log(name);
}
process.exit(0);
