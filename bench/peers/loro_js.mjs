// loro-crdt, by WebAssembly: a document in memory; version vectors and updates are exchanged.

import { load } from './worker.mjs'

const { LoroDoc } = load('loro-crdt')

export class Replica {
  constructor (n) {
    this.doc = new LoroDoc()
    this.doc.setPeerId(BigInt(n))
    this.list = this.doc.getList('list')
    this.map = this.doc.getMap('map')
    this.string = this.doc.getText('text')
    this.counter = this.doc.getCounter('counter')
  }

  append (value) {
    this.list.push(value)
    this.doc.commit()
  }

  extend (values) {
    for (const value of values) this.list.push(value)
    this.doc.commit()
  }

  remove (value) {
    this.list.delete(this.entries().indexOf(value), 1)
    this.doc.commit()
  }

  entries () { return this.list.toJSON() }

  add (element) { this.put(element, true) }
  add_all (elements) { this.put_all(elements.map(element => [element, true])) }
  elements () { return this.map.keys() }
  get (key) { return this.map.get(key) }
  count () { return this.counter.value }
  save () { return this.doc.export({ mode: 'snapshot' }) }

  members () { return this.map.toJSON() }

  edit (changed, removed) {
    for (const name in changed) this.map.set(name, changed[name])
    for (const name of removed) this.map.delete(name)
    this.doc.commit()
  }

  text () { return this.string.toString() }

  splice (at, deleted, inserted) {
    if (deleted) this.string.delete(at, deleted)
    if (inserted) this.string.insert(at, inserted)
    this.doc.commit()
  }

  discard (element) {
    this.map.delete(element)
    this.doc.commit()
  }

  increment (n) {
    this.counter.increment(n)
    this.doc.commit()
  }

  put (key, value) {
    this.map.set(key, value)
    this.doc.commit()
  }

  put_all (values) {
    for (const [key, value] of values) this.map.set(key, value)
    this.doc.commit()
  }

  write (value) {
    this.map.set('document', value)
    this.doc.commit()
  }

  read () { return this.map.toJSON().document }
}

export const replica = n => new Replica(n)

export function fork (one, n) {
  const other = new Replica(n)
  other.doc.import(one.doc.export({ mode: 'snapshot' }))
  return other
}

export function meet (one, other) {
  const mine = one.doc.oplogVersion()
  const theirs = other.doc.oplogVersion()
  const toOther = one.doc.export({ mode: 'update', from: theirs })
  const toMe = other.doc.export({ mode: 'update', from: mine })
  other.doc.import(toOther)
  one.doc.import(toMe)
  return [mine.encode().length + theirs.encode().length + toOther.length + toMe.length, 2]
}
