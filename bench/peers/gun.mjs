// GUN: a graph in memory whose members are each last-write-wins. It takes no arrays: a list is JSON in one member.

import { load } from './worker.mjs'

const log = console.log
console.log = () => {}
const Gun = load('gun')
console.log = log

const quiet = { localStorage: false, radisk: false, axe: false, multicast: false, peers: [], file: false }
const turn = () => new Promise(resolve => setImmediate(resolve))

export class Replica {
  constructor () {
    this.gun = new Gun(quiet)
    this.sent = []
    const sent = this.sent
    this.gun.on('out', function (message) {
      if (message.put) sent.push(JSON.stringify({ '#': message['#'], put: message.put }))
      this.to.next(message)
    })
  }

  write (value) { return this.#put('root', 'document', JSON.stringify(value)) }
  read () { return JSON.parse(this.#graph('root').document) }
  add (element) { return this.#put('set', element, true) }
  discard (element) { return this.#put('set', element, null) }
  elements () { return Object.entries(this.#graph('set')).filter(([name, value]) => name !== '_' && value).map(([name]) => name) }
  save () { return Buffer.from(JSON.stringify(this.gun._.graph)) }

  #graph (soul) { return this.gun._.graph[soul] ?? {} }

  // Done when it can be read: nothing stores it, so nothing acknowledges it.
  async #put (soul, name, value) {
    this.gun.get(soul).get(name).put(value)
    while (this.#graph(soul)[name] !== value) await turn()
  }
}

export const replica = () => new Replica()

export async function fork (one) {
  const other = new Replica()
  await meet(one, other)
  return other
}

// All that each has put goes to the other: over its own wire it would be the same messages.
export async function meet (one, other) {
  const mine = one.sent.splice(0)
  const theirs = other.sent.splice(0)
  for (const message of mine) other.gun.on('in', JSON.parse(message))
  for (const message of theirs) one.gun.on('in', JSON.parse(message))
  for (let n = 0; n < 100; n++) await turn()
  one.sent.length = other.sent.length = 0 // what each passes on of the other's
  return [[...mine, ...theirs].reduce((sum, message) => sum + message.length, 0), 1]
}
