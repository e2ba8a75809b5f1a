// Yjs: a document in memory; state vectors and updates are exchanged.

import { load } from './worker.mjs'

const Y = load('yjs')

export class Replica {
  constructor (n) {
    this.doc = new Y.Doc()
    this.doc.clientID = n
    this.list = this.doc.getArray('list')
    this.map = this.doc.getMap('map')
    this.string = this.doc.getText('text')
  }

  append (value) { this.list.push([value]) }
  extend (values) { this.list.push(values) }
  remove (value) { this.list.delete(this.entries().indexOf(value), 1) }
  entries () { return this.list.toArray() }
  add (element) { this.map.set(element, true) }
  add_all (elements) { this.doc.transact(() => { for (const element of elements) this.map.set(element, true) }) }
  discard (element) { this.map.delete(element) }
  elements () { return [...this.map.keys()] }
  increment (n) { this.map.set('counter', (this.map.get('counter') ?? 0) + n) }
  count () { return this.map.get('counter') }
  put (key, value) { this.map.set(key, value) }
  put_all (values) { this.doc.transact(() => { for (const [key, value] of values) this.map.set(key, value) }) }
  get (key) { return this.map.get(key) }
  save () { return Y.encodeStateAsUpdate(this.doc) }
  members () { return this.map.toJSON() }

  edit (changed, removed) {
    this.doc.transact(() => {
      for (const name in changed) this.map.set(name, changed[name])
      for (const name of removed) this.map.delete(name)
    })
  }

  text () { return this.string.toString() }

  splice (at, deleted, inserted) {
    this.doc.transact(() => {
      if (deleted) this.string.delete(at, deleted)
      if (inserted) this.string.insert(at, inserted)
    })
  }

  write (value) { this.map.set('document', Y.Array.from(value)) }
  read () { return this.map.get('document').toJSON() }
}

export const replica = n => new Replica(n)

export function fork (one, n) {
  const other = new Replica(n)
  Y.applyUpdate(other.doc, Y.encodeStateAsUpdate(one.doc))
  return other
}

export function meet (one, other) {
  const mine = Y.encodeStateVector(one.doc)
  const theirs = Y.encodeStateVector(other.doc)
  const toOther = Y.encodeStateAsUpdate(one.doc, theirs)
  const toMe = Y.encodeStateAsUpdate(other.doc, mine)
  Y.applyUpdate(other.doc, toOther)
  Y.applyUpdate(one.doc, toMe)
  return [mine.length + theirs.length + toOther.length + toMe.length, 2]
}
