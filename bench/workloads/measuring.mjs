// The twin of measuring.py.

import { readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { now } from '../peers/worker.mjs'

export async function exchanged (peer, a, b) {
  const began = now()
  const [sent, rounds] = await peer.meet(a, b)
  const figures = { merge_ms: (now() - began) / 1000 }
  if (sent) Object.assign(figures, { sent_bytes: sent, rounds })
  return figures
}

export function diskBytes (folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter(entry => entry.isFile())
    .reduce((sum, entry) => sum + statSync(path.join(entry.path, entry.name)).blocks * 512, 0)
}
