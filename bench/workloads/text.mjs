// The twin of text.py for peers of npm. Edits that are made up are given by python3, so that all have the same.

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { need, now, peakMb } from '../peers/worker.mjs'
import { exchanged } from './measuring.mjs'

const MADE_UP = 'import json, sys; from bench.workloads.text import made_up; print(json.dumps(made_up(int(sys.argv[1]))))'

export async function measure (peer, order) {
  need(peer, 'replica', 'splice', 'text', 'fork', 'meet')
  const python = () => execFileSync('python3', ['-c', MADE_UP, order.edits], { maxBuffer: 1 << 28 })
  const trace = JSON.parse(order.trace ? readFileSync(order.trace) : python()).slice(0, order.edits)
  const one = await peer.replica(1, order.folder)
  const other = await peer.fork(one, 2)
  const began = now()
  for (const [at, deleted, inserted] of trace) one.splice(at, deleted, inserted)
  const figures = { splice_us: (now() - began) / trace.length, peak_mb: peakMb(), state_bytes: one.save().length }
  Object.assign(figures, await exchanged(peer, one, other))
  let wanted = ''
  for (const [at, deleted, inserted] of trace) wanted = wanted.slice(0, at) + inserted + wanted.slice(at + deleted)
  return { figures, found: { one: one.text() === wanted, other: other.text() === wanted } }
}
