// PouchDB: documents in LevelDB, replicated as CouchDB does. What it has exchanged it does not tell in bytes.

import path from 'node:path'
import { load } from './worker.mjs'

const PouchDB = load('pouchdb')

const text = value => Buffer.from(value).toString('base64')

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

  async edit (changed, removed) {
    const doc = await this.db.get('members').catch(() => ({ _id: 'members', value: {} }))
    const value = { ...doc.value, ...changed }
    for (const name of removed) delete value[name]
    await this.db.put({ ...doc, value })
  }

  async members () { return (await this.db.get('members')).value }

  async put_all (values) {
    for (let first = 0; first < values.length; first += 1000) {
      await this.db.bulkDocs(values.slice(first, first + 1000).map(([key, value]) => ({ _id: key, value: text(value) })))
    }
  }

  async put (key, value) {
    const doc = await this.db.get(key).catch(() => ({ _id: key }))
    await this.db.put({ ...doc, value: text(value) })
  }

  async get (key) { return Buffer.from((await this.db.get(key)).value, 'base64') }

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
