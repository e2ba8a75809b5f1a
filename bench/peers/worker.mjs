// The process in which one peer of npm does one order: JSON on stdin, a line of JSON on stdout. The twin of worker.py.

import { readFileSync, writeSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'

export class CannotDo extends Error {}

// What npm installed, where `python -m bench setup` put it.
export const load = createRequire(path.join(process.env.CRDTKV_BENCH_NPM ?? '.', 'index.js'))

const LACKING = {
  append: 'lists',
  extend: 'lists',
  remove: 'lists',
  entries: 'lists',
  add: 'sets',
  discard: 'sets',
  elements: 'sets',
  increment: 'counters',
  count: 'counters',
  splice: 'text',
  text: 'text',
  put: 'keys',
  get: 'keys',
  edit: 'members',
  members: 'members',
  add_all: 'transactions of several writes',
  put_all: 'transactions of several writes'
}

export function need (peer, ...names) {
  for (const name of names) {
    if (!(name in peer) && !(peer.Replica && name in peer.Replica.prototype)) {
      throw new CannotDo(`cannot: no ${LACKING[name] ?? name}`)
    }
  }
}

// Calls `act` with each; waits where it gives a promise.
export async function each (things, act) {
  for (const thing of things) {
    const under = act(thing)
    if (under instanceof Promise) await under
  }
}

export const now = () => Number(process.hrtime.bigint()) / 1000 // microseconds

export function peakMb () {
  try {
    return Number(readFileSync('/proc/self/status', 'utf8').match(/VmHWM:\s+(\d+)/)[1]) / 1024
  } catch {
    return process.resourceUsage().maxRSS / 1024
  }
}

async function main () {
  const order = JSON.parse(readFileSync(0, 'utf8'))
  const peer = await import(`./${order.peer.replaceAll('-', '_')}.mjs`)
  const workload = await import(`../workloads/${order.workload}.mjs`)
  let result
  try {
    result = await workload.measure(peer, order)
    result.figures.peak_mb ??= peakMb()
  } catch (error) {
    if (!(error instanceof CannotDo)) throw error
    result = { cannot: error.message }
  }
  writeSync(1, '\n' + JSON.stringify(result) + '\n')
  process.exit(0)
}

// Not awaited: the adapters import this module, which must be done by then.
if (process.argv[1] === new URL(import.meta.url).pathname) {
  main().catch(error => {
    console.error(String(error?.stack ?? error).replaceAll('\n', ' '))
    process.exit(1)
  })
}
