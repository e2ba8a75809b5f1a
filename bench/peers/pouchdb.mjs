// PouchDB: documents in LevelDB, replicated as CouchDB does. What it has exchanged it does not tell in bytes.

import path from 'node:path'
import { load } from './worker.mjs'

const PouchDB = load('pouchdb')

export class Replica {
  constructor (n, folder) {
    this.folder = folder
    this.db = new PouchDB(path.join(folder, `pouch-${n}`))
  }

  // As a client does it: with the revision it has read.
  async write (value) {
    const { rev } = await this.db.put({ _id: 'document', ...(this.rev ? { _rev: this.rev } : {}), value })
    this.rev = rev
  }

  async read () { return (await this.db.get('document')).value }

  // A list is an array in a document: an operation reads it, and writes it as a whole.
  async extend (values) {
    const doc = await this.#list()
    await this.db.put({ ...doc, value: [...doc.value, ...values] })
  }

  async append (value) { await this.extend([value]) }

  async remove (value) {
    const doc = await this.#list()
    await this.db.put({ ...doc, value: doc.value.filter(entry => entry !== value) })
  }

  async entries () { return (await this.#list()).value }

  async #list () {
    try {
      return await this.db.get('list')
    } catch (error) {
      if (error.status !== 404) throw error
      return { _id: 'list', value: [] }
    }
  }
}

export const replica = (n, folder) => new Replica(n, folder)

export async function fork (one, n) {
  const other = new Replica(n, one.folder)
  await one.db.replicate.to(other.db)
  other.rev = one.rev
  return other
}

export async function meet (one, other) {
  await one.db.sync(other.db)
  return [0, 0]
}
