// The twin of documents.py for peers of npm.

import { need, now } from '../peers/worker.mjs'
import { exchanged } from './measuring.mjs'

export async function measure (peer, order) {
  need(peer, 'replica', 'edit', 'members', 'fork', 'meet')
  const { base, edits, wanted } = edited(order.members)
  const one = await peer.replica(1, order.folder)
  await one.edit(base, [])
  const other = await peer.fork(one, 2)
  const began = now()
  await one.edit(...edits[0])
  const took = (now() - began) / 1000
  await other.edit(...edits[1])
  const figures = { edit_ms: took, ...await exchanged(peer, one, other) }
  const wrong = Math.max(differing(await one.members(), wanted), differing(await other.members(), wanted))
  return { figures, found: { wrong } }
}

function edited (members) {
  const name = n => `member-${String(n).padStart(4, '0')}`
  const base = {}
  for (let n = 0; n < members; n++) base[name(n)] = `value ${n}`
  const tenth = Math.floor(members / 10)
  const some = Math.floor(tenth / 10)
  const edits = [0, Math.floor(members / 2)].map((first, who) => {
    const changed = {}
    for (let n = first; n < first + tenth; n++) changed[name(n)] = `by ${who}`
    for (let n = 0; n < some; n++) changed[`new-${who}-${n}`] = n
    return [changed, Array.from({ length: some }, (_, n) => name(first + tenth + n))]
  })
  const wanted = Object.assign({}, base, edits[0][0], edits[1][0])
  for (const [, removed] of edits) for (const gone of removed) delete wanted[gone]
  return { base, edits, wanted }
}

const differing = (found, wanted) =>
  [...new Set([...Object.keys(found), ...Object.keys(wanted)])].filter(name => found[name] !== wanted[name]).length
