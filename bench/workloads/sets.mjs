// The twin of sets.py for peers of npm.

import { each, need, now, peakMb } from '../peers/worker.mjs'
import { exchanged } from './measuring.mjs'

const BATCHED = 100

export async function measure (peer, order) {
  need(peer, 'replica', 'add', 'elements')
  return await MEASURES[order.do](peer, order)
}

const names = (from, to) => Array.from({ length: to - from }, (_, n) => `element-${from + n}`)

async function adds (peer, { size, at_once: atOnce, folder }) {
  const one = await peer.replica(1, folder)
  let took
  if (atOnce === 1) {
    const elements = names(0, size)
    const began = now()
    await each(elements, element => one.add(element))
    took = now() - began
  } else {
    need(peer, 'add_all')
    const batches = Array.from({ length: Math.ceil(size / atOnce) }, (_, n) => names(n * atOnce, Math.min((n + 1) * atOnce, size)))
    const began = now()
    await each(batches, batch => one.add_all(batch))
    took = now() - began
  }
  const figures = { add_us: took / size, peak_mb: peakMb() }
  if (one.save) figures.state_bytes = one.save().length
  return { figures, found: { size: (await one.elements()).length, wanted: size } }
}

async function bytes (peer, { size, folder }) {
  need(peer, 'add_all', 'fork', 'meet')
  const one = await peer.replica(1, folder)
  await one.add_all(names(0, size))
  const other = await peer.fork(one, 2)
  await peer.meet(one, other)
  const figures = {}
  for (const [name, count] of [['alone_bytes', 1], ['batch_bytes', BATCHED]]) {
    for (let n = 0; n < count; n++) await one.add(`new-${name}-${n}`)
    figures[name] = (await peer.meet(one, other))[0] / count
  }
  return { figures, found: { size: (await other.elements()).length, wanted: size + 1 + BATCHED } }
}

async function against (peer, { tries, folder }) {
  need(peer, 'discard', 'fork', 'meet')
  let kept = 0
  for (let n = 0; n < tries; n++) {
    const one = await peer.replica(1, folder)
    await one.add('x')
    const other = await peer.fork(one, 2)
    const [adds, removes] = n % 2 ? [one, other] : [other, one]
    const acts = [() => removes.discard('x'), () => adds.add('x')]
    for (const act of n % 4 < 2 ? acts : acts.reverse()) await act() // a clock must not tell
    await peer.meet(one, other)
    kept += (await one.elements()).includes('x') && (await other.elements()).includes('x')
  }
  return { figures: {}, found: { kept } }
}

async function merge (peer, { size, folder }) {
  need(peer, 'fork', 'meet')
  const one = await peer.replica(1, folder)
  const other = await peer.fork(one, 2)
  for (let n = 0; n < size; n++) {
    await one.add(`a-${n}`)
    await other.add(`b-${n}`)
  }
  const figures = await exchanged(peer, one, other)
  const [mine, theirs] = [[...await one.elements()].sort(), [...await other.elements()].sort()]
  const equal = JSON.stringify(mine) === JSON.stringify(theirs)
  return { figures, found: { size: mine.length, wanted: 2 * size, equal } }
}

const MEASURES = { adds, bytes, against, merge }
