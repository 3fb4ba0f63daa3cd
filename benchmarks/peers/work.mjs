// The work of every Node peer for a message: load an attempt, score it, store its result once. The same as work.py.
export const URL = process.env.BENCH_URL
export const ATTEMPTS = 'bench:attempts'
export const RESULTS = 'bench:results'
const TWICE = 'bench:twice'
const ITEMS = 50
const MIRROR = 6
const SCALES = JSON.parse(process.env.BENCH_SCALES ?? '[]')

export function connection () {
  const { hostname: host, port } = new globalThis.URL(URL)
  return { host, port: Number(port) }
}

function answer (number, item) {
  if ((number + item) % 50 === 49) return null
  return (number * 31 + item * 17 + Math.floor(number / 7) * item) % 5 + 1
}

export function attemptText (number) {
  const answers = {}
  for (let item = 0; item < ITEMS; item++) {
    const value = answer(number, item)
    if (value !== null) answers[`i${item + 1}`] = value
  }
  return JSON.stringify({ instrument: 'ipip-50', revision: 1, answers })
}

export function score (text) {
  const { answers } = JSON.parse(text)
  const scales = {}
  for (const { id, items, minValid } of SCALES) {
    let total = 0
    let valid = 0
    for (const [item, reverse] of items) {
      const value = answers[item]
      if (value !== undefined && value !== null) {
        valid += 1
        total += reverse ? MIRROR - value : value
      }
    }
    const enough = valid >= minValid
    scales[id] = { raw: enough ? total / valid : null, valid, items: items.length, status: enough ? 'Scored' : 'TooFewAnswers' }
  }
  return JSON.stringify({ instrument: 'ipip-50', revision: 1, scales })
}

export async function handle (client, number) {
  const result = score(await client.hget(ATTEMPTS, number))
  if (!await client.hsetnx(RESULTS, number, result)) await client.incr(TWICE)
}
