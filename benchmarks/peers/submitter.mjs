// The submitter process of a Node peer. Orders and replies: submitter.py.
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'

const BULK = 1000
const PATIENCE = 60_000

export async function obey ({ add, addMany, make, isStored }) {
  const many = (first, count) => Array.from({ length: count }, (_, index) => [first + index, make(first + index)])
  const orders = {
    async add ({ first, count }) {
      const made = many(first, count)
      const began = performance.now()
      for (const [number, text] of made) await add(number, text)
      return { seconds: (performance.now() - began) / 1000 }
    },
    async add_many ({ first, count }) {
      const made = many(first, count)
      const began = performance.now()
      for (let start = 0; start < count; start += BULK) await addMany(made.slice(start, start + BULK))
      return { seconds: (performance.now() - began) / 1000 }
    },
    async latency ({ first, gaps }) {
      const ms = []
      for (const [index, gap] of gaps.entries()) {
        const number = first + index
        const text = make(number)
        await pause(gap * 1000)
        const began = performance.now()
        await add(number, text)
        while (!await isStored(number)) {
          if (performance.now() - began > PATIENCE) throw new Error(`attempt ${number} has no result after ${PATIENCE} ms`)
        }
        ms.push(performance.now() - began)
      }
      return { ms }
    }
  }
  console.log(JSON.stringify({ ready: true }))
  for await (const line of createInterface({ input: process.stdin })) {
    const order = JSON.parse(line)
    console.log(JSON.stringify(await orders[order.do](order)))
  }
  process.exit(0)
}
