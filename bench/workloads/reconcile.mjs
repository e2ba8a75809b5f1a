// The twin of reconcile.py for peers of npm.

import { randomBytes } from 'node:crypto'
import { need } from '../peers/worker.mjs'
import { exchanged } from './measuring.mjs'

const CHANGED = 100
const VALUE = 100
const SHOWN = 3

export async function measure (peer, order) {
  need(peer, 'replica', 'put_all', 'put', 'get', 'fork', 'meet')
  const names = Array.from({ length: order.keys }, (_, n) => `key-${String(n).padStart(6, '0')}`)
  const one = await peer.replica(1, order.folder)
  await one.put_all(names.map(name => [name, new Uint8Array(randomBytes(VALUE))]))
  const other = await peer.fork(one, 2)
  await peer.meet(one, other)
  const step = Math.floor(names.length / CHANGED)
  const changed = Array.from({ length: CHANGED }, (_, n) => [names[n * step], new Uint8Array(randomBytes(VALUE))])
  for (const [name, value] of changed) await one.put(name, value)
  const figures = await exchanged(peer, one, other)
  const nothing = (await peer.meet(one, other))[0]
  if (nothing) figures.nothing_bytes = nothing
  let wrong = 0
  for (const [name, value] of changed.slice(0, SHOWN)) {
    wrong += Buffer.compare(Buffer.from(await other.get(name)), Buffer.from(value)) !== 0
  }
  return { figures, found: { wrong } }
}
