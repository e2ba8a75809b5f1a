// GUN: a graph in memory whose members are each last-write-wins. It takes no arrays: a list is JSON in one member, or a set.

import { load } from './worker.mjs'

const log = console.log
console.log = () => {}
const Gun = load('gun')
console.log = log

const quiet = { localStorage: false, radisk: false, axe: false, multicast: false, peers: [], web: undefined, file: undefined }
const soon = () => new Promise(resolve => setTimeout(resolve, 50))

export class Replica {
  constructor () {
    this.gun = new Gun(quiet)
    this.out = []
    const out = this.out
    this.gun.on('out', function (message) {
      if (message.put) out.push(JSON.parse(JSON.stringify({ '#': message['#'], put: message.put })))
      this.to.next(message)
    })
  }

  write (value) { return this.#put('document', value) }
  read () { return this.#get('document') }

  #put (name, value) {
    return new Promise(resolve => this.gun.get('root').get(name).put(JSON.stringify(value), resolve, { acks: 0 }) && setTimeout(resolve, 50))
  }

  #get (name) {
    return new Promise(resolve => this.gun.get('root').get(name).once(text => resolve(JSON.parse(text))))
  }
}

export const replica = () => new Replica()

export async function fork (one) {
  const other = new Replica()
  deliver(one, other)
  await soon()
  return other
}

function deliver (one, other) {
  for (const message of one.out) other.gun.on('in', message)
}

export async function meet (one, other) {
  const mine = [...one.out]
  const theirs = [...other.out]
  for (const message of mine) other.gun.on('in', message)
  for (const message of theirs) one.gun.on('in', message)
  await soon()
  return [0, 0]
}
