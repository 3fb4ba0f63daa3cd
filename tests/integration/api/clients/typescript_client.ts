// Uses the generated types as a caller does; test_generated.py lets TypeScript check it, nothing runs it.
import type { components, operations, paths } from "./stanine";

type Schemas = components["schemas"];

const attempt: Schemas["AttemptBody"] = { answers: { i1: 3, i2: null, i3: "text", i4: ["a", "b"] }, key: "k-1" };
// @ts-expect-error - answers are needed
const none: Schemas["AttemptBody"] = { key: "k-1" };
// @ts-expect-error - no such member
const more: Schemas["AttemptBody"] = { answers: {}, answer: {} };

type Submit = paths["/v1/instruments/{name}/attempts"]["post"];
const sent: Submit["requestBody"]["content"]["application/json"] = attempt;
declare const receipt: Submit["responses"][202]["content"]["application/json"];
const words: [string, string, "Submitted" | "Scored" | "Failed", boolean | undefined] = [
  receipt.attempt, receipt.token, receipt.state, receipt.repeated,
];

type Bulk = operations["submitAttempts"];
const lines: Bulk["requestBody"]["content"]["application/x-ndjson"] = JSON.stringify(attempt) + "\n";
declare const answered: Bulk["responses"][200]["content"]["application/x-ndjson"];
const answers: Schemas["LineAnswer"][] = answered.split("\n").filter((line) => line).map((line) => JSON.parse(line));

declare const page: operations["listResults"]["responses"][200]["content"]["application/json"];
const scores: (number | null | undefined)[] = page.items.map((each) => each.scales?.["mood"]?.raw);
const query: operations["listResults"]["parameters"]["query"] = { limit: 100, after: page.next };

const document: Schemas["Instrument"] = {
  apiVersion: "stanine.dev/v1alpha1",
  kind: "Instrument",
  metadata: { name: "mood" },
  spec: {
    title: "Mood",
    items: [{ id: "calm", text: "I felt calm.", options: [{ value: 1, label: "No" }, { value: 2 }] }],
    scales: [{ id: "calmness", items: ["calm"], score: "Mean" }],
  },
};

declare const form: operations["readForm"]["responses"][200]["content"]["application/json"];
const values: (number | string)[] = form.items.flatMap((item) => (item.options ?? []).map((option) => option.value));

declare const problem: Submit["responses"][422]["content"]["application/problem+json"];
const pointers: string[] = (problem.errors ?? []).map((error) => error.pointer);

const all: Schemas["DeadLetterOrder"] = { all: true, token: "once" };
// @ts-expect-error - false is refused
const not: Schemas["DeadLetterOrder"] = { all: false };
const path: operations["requeueDeadLetters"]["parameters"]["path"] = { queue: "results" };

export { all, answers, document, lines, more, none, not, path, pointers, query, scores, sent, values, words };
