// The twin of thread.py for peers of npm.

import { need } from '../peers/worker.mjs'

export async function measure (peer, order) {
  const a = await peer.replica(1, order.folder)
  if (order.do === 'operations') {
    need(peer, 'extend', 'remove', 'entries')
    await a.extend(order.base)
    const b = await peer.fork(a, 2)
    for (const entry of order.removed) await a.remove(entry)
    await b.extend(order.added)
    await peer.meet(a, b)
    return { figures: {}, found: [await a.entries(), await b.entries()] }
  }
  need(peer, 'write', 'read')
  await a.write(order.base)
  const b = await peer.fork(a, 2)
  await a.write(order.ours)
  await b.write(order.theirs)
  await peer.meet(a, b)
  return { figures: {}, found: [await a.read(), await b.read()] }
}
