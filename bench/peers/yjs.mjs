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
