// Fastify + BullMQ on Node with the work of Stanine's API for attempts: key, validation, idempotency in bulk, record,
// message, token.
// Documented: fastify.dev, "Validation and Serialization" (compiled JSON schemas), "Content-Type Parser"; docs.bullmq.io, addBulk.
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import Fastify from 'fastify'
import { Queue } from 'bullmq'
import { Redis } from 'ioredis'
import { ATTEMPTS, connection } from './work.mjs'

const KEYS = 'bench:keys'
const GROUP = 500
const sha = text => createHash('sha256').update(text).digest()
const secret = randomBytes(32)
const allowed = sha(process.env.BENCH_KEY)
const records = new Redis({ ...connection(), maxRetriesPerRequest: null })
const queue = new Queue('bench', { connection: connection(), defaultJobOptions: { removeOnComplete: true } })

const choice = { anyOf: [{ type: 'integer', minimum: 1, maximum: 5 }, { type: 'null' }] }
const attempt = {
  type: 'object',
  required: ['answers'],
  additionalProperties: false,
  properties: {
    answers: { type: 'object', additionalProperties: false, properties: Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`i${i + 1}`, choice])) },
    key: { type: 'string', minLength: 1, maxLength: 64 },
    revision: { type: 'integer', minimum: 1 },
    participant: { type: 'string', maxLength: 128 }
  }
}

const app = Fastify({ logger: false, bodyLimit: 64 << 20, ajv: { customOptions: { coerceTypes: false, removeAdditional: false } } })
app.addContentTypeParser('application/x-ndjson', { parseAs: 'string' }, (_request, body, done) => done(null, body))
app.addHook('onRequest', async (request, reply) => {
  const key = (request.headers.authorization ?? '').slice('Bearer '.length)
  if (!timingSafeEqual(sha(key), allowed)) return reply.code(401).send({ title: 'unauthorized' })
})
const token = id => createHmac('sha256', secret).update(id).digest('hex').slice(0, 32)

app.post('/v1/instruments/ipip-50/attempts', { schema: { body: attempt } }, async (request, reply) => {
  const id = randomBytes(16).toString('hex')
  await records.hset(ATTEMPTS, id, JSON.stringify(request.body))
  await queue.add('score', { attempt: id })
  return reply.code(202).header('location', `/v1/attempts/${id}`).send({ attempt: id, token: token(id), state: 'Submitted' })
})

app.post('/v1/instruments/ipip-50/bulk', async (request, reply) => {
  const validate = request.compileValidationSchema(attempt)
  const lines = request.body.split('\n').filter(Boolean)
  const answers = []
  for (let start = 0; start < lines.length; start += GROUP) {
    const good = []
    for (let index = start; index < Math.min(start + GROUP, lines.length); index++) {
      const one = JSON.parse(lines[index])
      if (validate(one) && one.key) {
        const meaning = createHash('blake2b512').update(lines[index]).digest('base64').slice(0, 22)
        good.push({ line: index + 1, key: one.key, id: randomBytes(16).toString('hex'), meaning, text: JSON.stringify(one) })
      } else answers[index] = { line: index + 1, status: 422 }
    }
    const known = await records.hmget(KEYS, ...good.map(each => each.key))
    const fresh = good.filter((_, index) => known[index] === null)
    if (fresh.length) {
      await records.multi()
        .hset(ATTEMPTS, ...fresh.flatMap(each => [each.id, each.text]))
        .hset(KEYS, ...fresh.flatMap(each => [each.key, each.id + each.meaning]))
        .exec()
      await queue.addBulk(fresh.map(each => ({ name: 'score', data: { attempt: each.id } })))
    }
    good.forEach((each, index) => {
      const before = known[index]
      const status = before === null || before.slice(32) === each.meaning ? 202 : 409
      const id = before === null ? each.id : before.slice(0, 32)
      answers[each.line - 1] = { line: each.line, key: each.key, attempt: id, status, token: token(id) }
    })
  }
  return reply.header('content-type', 'application/x-ndjson').send(answers.map(each => JSON.stringify(each)).join('\n') + '\n')
})

await queue.waitUntilReady()
await app.listen({ host: '127.0.0.1', port: Number(process.argv[2]) })
