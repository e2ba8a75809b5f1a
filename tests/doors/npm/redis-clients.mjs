// ioredis and node-redis at REDIS: what they say as they connect, strings, counters, pipelines, MULTI, pub/sub, scans.
import assert from 'node:assert';
import { Redis } from 'ioredis';
import { createClient } from 'redis';

const url = process.env.REDIS;

const io = new Redis(url);
await io.flushdb();
assert.equal(await io.set('a', 'x', 'EX', 100), 'OK');
assert.equal(await io.get('a'), 'x');
assert.ok((await io.ttl('a')) > 90);
assert.equal(await io.set('a', 'y', 'NX'), null);
assert.deepEqual(await io.pipeline().incr('n').incrby('n', 5).get('n').exec(), [[null, 1], [null, 6], [null, '6']]);
assert.deepEqual(await io.multi().set('b', '1').mget('a', 'b', 'none').exec(), [[null, 'OK'], [null, ['x', '1', null]]]);
await assert.rejects(io.call('NOTHING'), /unknown command/);
const listener = new Redis(url);
await listener.subscribe('news');
const heard = new Promise((done) => listener.on('message', (channel, message) => done([channel, message])));
assert.equal(await io.publish('news', 'hello'), 1);
assert.deepEqual(await heard, ['news', 'hello']);
const seen = [];
for await (const keys of io.scanStream({ match: '*', count: 2 })) seen.push(...keys);
assert.deepEqual(seen.sort(), ['a', 'b', 'n']);
assert.match(await io.info('crdt'), /crdt_db0/);
io.disconnect();
listener.disconnect();

const node = await createClient({ url }).connect();
assert.equal(await node.set('a', 'x', { PX: 100000 }), 'OK');
assert.equal(await node.get('a'), 'x');
assert.deepEqual(await node.mGet(['a', 'none']), ['x', null]);
assert.equal(await node.incrBy('m', 4), 4);
assert.deepEqual(await node.multi().set('b', '2').incr('m').get('b').exec(), ['OK', 5, '2']);
await node.watch('a');
await node.multi().set('a', 'z').exec();
const found = [];
for await (const keys of node.scanIterator({ MATCH: '?' })) found.push(...keys);
assert.deepEqual(found.sort(), ['a', 'b', 'm', 'n']);
const sub = await node.duplicate().connect();
const told = new Promise((done) => sub.subscribe('news', (message) => done(message)));
while (await node.publish('news', 'again') === 0);
assert.equal(await told, 'again');
assert.equal(await node.del(['a', 'b']), 2);
sub.destroy();
node.destroy();
console.log('both');
