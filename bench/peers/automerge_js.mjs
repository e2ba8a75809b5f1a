// @automerge/automerge, by WebAssembly; its sync protocol.

import { load } from './worker.mjs'

const A = load('@automerge/automerge')
const actor = n => n.toString(16).padStart(32, '0')

export class Replica {
  constructor (n, doc) {
    this.doc = doc ?? A.from({ list: [], map: {}, text: '', counter: new A.Counter() }, actor(n))
  }

  change (act) { this.doc = A.change(this.doc, act) }
  append (value) { this.change(d => { d.list.push(value) }) }
  extend (values) { this.change(d => { for (const value of values) d.list.push(value) }) }
  remove (value) { this.change(d => { d.list.deleteAt(this.entries().indexOf(value)) }) }
  entries () { return A.toJS(this.doc).list }
  add (element) { this.change(d => { d.map[element] = true }) }
  add_all (elements) { this.change(d => { for (const element of elements) d.map[element] = true }) }
  discard (element) { this.change(d => { delete d.map[element] }) }
  elements () { return Object.keys(A.toJS(this.doc).map) }
  increment (n) { this.change(d => { d.counter.increment(n) }) }
  count () { return A.toJS(this.doc).counter.value }
  put (key, value) { this.change(d => { d.map[key] = value }) }
  put_all (values) { this.change(d => { for (const [key, value] of values) d.map[key] = value }) }
  get (key) { return this.doc.map[key] }
  save () { return A.save(this.doc) }
  members () { return A.toJS(this.doc).map }

  edit (changed, removed) {
    this.change(d => {
      Object.assign(d.map, changed)
      for (const name of removed) delete d.map[name]
    })
  }

  splice (at, deleted, inserted) { this.change(d => { A.splice(d, ['text'], at, deleted, inserted) }) }
  text () { return this.doc.text }
  write (value) { this.change(d => { d.document = value }) }
  read () { return A.toJS(this.doc).document }
}

export const replica = n => new Replica(n)
export const fork = (one, n) => new Replica(n, A.clone(one.doc, { actor: actor(n) }))

export function meet (one, other) {
  let mine = A.initSyncState()
  let theirs = A.initSyncState()
  let bytes = 0
  let rounds = 0
  while (true) {
    let toOther, toMe
    ;[mine, toOther] = A.generateSyncMessage(one.doc, mine)
    ;[theirs, toMe] = A.generateSyncMessage(other.doc, theirs)
    if (!toOther && !toMe) return [bytes, rounds]
    rounds += 1
    if (toOther) {
      bytes += toOther.length
      ;[other.doc, theirs] = A.receiveSyncMessage(other.doc, theirs, toOther)
    }
    if (toMe) {
      bytes += toMe.length
      ;[one.doc, mine] = A.receiveSyncMessage(one.doc, mine, toMe)
    }
  }
}
