// The twin of counters.py for peers of npm.

import { need, now } from '../peers/worker.mjs'
import { exchanged } from './measuring.mjs'

export async function measure (peer, order) {
  return await (order.do === 'overwrites' ? overwrites : increments)(peer, order)
}

async function increments (peer, { count, folder }) {
  need(peer, 'replica', 'increment', 'count', 'fork', 'meet')
  const one = await peer.replica(1, folder)
  one.increment(0)
  const other = await peer.fork(one, 2)
  const began = now()
  for (let n = 0; n < count; n++) one.increment(1)
  const took = (now() - began) / count
  for (let n = 0; n < count; n++) other.increment(1)
  const figures = { add_us: took, ...await exchanged(peer, one, other), state_bytes: one.save().length }
  return { figures, found: [one.count(), other.count()] }
}

async function overwrites (peer, { count, folder }) {
  need(peer, 'replica', 'put', 'get')
  const one = await peer.replica(1, folder)
  const value = n => Buffer.from(`value-${String(n).padStart(9, '0')}`)
  const began = now()
  for (let n = 0; n < count; n++) one.put('key', new Uint8Array(value(n)))
  const took = (now() - began) / count
  if (one.purge) one.purge()
  const found = [Buffer.from(one.get('key')).toString(), value(count - 1).toString()]
  return { figures: { put_us: took, state_bytes: one.save().length }, found }
}
