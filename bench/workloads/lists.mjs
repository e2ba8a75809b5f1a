// The twin of lists.py for peers of npm.

import { each, need, now, peakMb } from '../peers/worker.mjs'
import { diskBytes, exchanged } from './measuring.mjs'

export async function measure (peer, order) {
  need(peer, 'replica', 'append', 'entries')
  return await MEASURES[order.do](peer, order.length, order.folder)
}

const names = (length, prefix = 'entry') => Array.from({ length }, (_, n) => `${prefix}-${n}`)

async function append (peer, length, folder) {
  const one = await peer.replica(1, folder)
  const values = names(length)
  const began = now()
  await each(values, value => one.append(value))
  const figures = { append_us: (now() - began) / length, peak_mb: peakMb() }
  if (one.save) figures.state_bytes = one.save().length
  return { figures, found: { length: (await one.entries()).length, wanted: length } }
}

async function batch (peer, length, folder) {
  need(peer, 'extend')
  const one = await peer.replica(1, folder)
  const values = names(length)
  const began = now()
  await one.extend(values)
  return { figures: { each_us: (now() - began) / length }, found: { length: (await one.entries()).length, wanted: length } }
}

async function concurrent (peer, length, folder) {
  need(peer, 'fork', 'meet')
  const one = await peer.replica(1, folder)
  const other = await peer.fork(one, 2)
  for (let n = 0; n < length; n++) {
    await one.append(`a-${n}`)
    await other.append(`b-${n}`)
  }
  const figures = await exchanged(peer, one, other)
  const entries = await one.entries()
  const runs = entries.filter((entry, n) => n && entry[0] !== entries[n - 1][0]).length
  const equal = JSON.stringify(entries) === JSON.stringify(await other.entries())
  return { figures, found: { length: entries.length, wanted: 2 * length, equal, whole: runs === 1 } }
}

async function durable (peer, length, folder) {
  const result = await append(peer, length, folder)
  return { ...result, figures: { append_us: result.figures.append_us, disk_bytes: diskBytes(folder) } }
}

const MEASURES = { append, batch, concurrent, durable }
