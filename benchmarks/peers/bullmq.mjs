// BullMQ on Node: one process, concurrency 100, finished jobs removed; in bulk by addBulk.
// Documented: docs.bullmq.io, "Workers / Concurrency", "Queues / Adding jobs in bulk", "Auto-removal of jobs", "Going to production".
// `node bullmq.mjs` is the submitter, with `worker` the worker.
import { Queue, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import { ATTEMPTS, RESULTS, attemptText, connection, handle } from './work.mjs'
import { obey } from './submitter.mjs'

const records = new Redis({ ...connection(), maxRetriesPerRequest: null })

if (process.argv[2] === 'worker') {
  // eslint-disable-next-line no-new
  new Worker('bench', job => handle(records, job.data.attempt), { connection: connection(), concurrency: 100 })
} else {
  const queue = new Queue('bench', { connection: connection(), defaultJobOptions: { removeOnComplete: true } })
  await queue.waitUntilReady()
  await obey({
    make: attemptText,
    async add (number, text) {
      await records.hset(ATTEMPTS, number, text)
      await queue.add('score', { attempt: number })
    },
    async addMany (attempts) {
      await records.hset(ATTEMPTS, new Map(attempts))
      await queue.addBulk(attempts.map(([number]) => ({ name: 'score', data: { attempt: number } })))
    },
    async isStored (number) {
      return await records.hexists(RESULTS, number) === 1
    }
  })
}
