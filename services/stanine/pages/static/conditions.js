// Evaluates the conditions of questions in the browser, as stanine.domain.formulas.conditions does on the server.
// Both are tested with tests/pages/condition_vectors.json. A tree is an array: its kind, then its parts.

/** Value of a question that is not shown. */
export const NOT_SHOWN = Symbol("not shown");

/** A chosen option that counts as a missing answer. */
export class Missing {
  constructor(value) {
    this.value = value;
  }
}

// Reasons for the lack of a number, by precedence: the greatest counts.
const FAILED = { level: 1 };
const NULL = { level: 2 };
const HIDDEN = { level: 3 };
const LEVELS = [null, FAILED, NULL, HIDDEN];
const lacks = (value) => value === FAILED || value === NULL || value === HIDDEN;

/** Return the decimals of a number's size, 9 of them, halves of its exact value to the even neighbour. */
function nineDecimals(x) {
  const size = Math.abs(x);
  if ((size * 1024) % 2 !== 1) return size.toFixed(9);
  // An odd number of 1024ths is exactly between two neighbours: its tenth decimal, the last one, is 5.
  const lower = size.toFixed(10).slice(0, -1);
  return Number(lower.at(-1)) % 2 === 0 ? lower : size.toFixed(9);
}

/** Return a number rounded to 9 decimals. */
export function nine(x) {
  return Math.abs(x) < 2 ** 53 ? Math.sign(x) * Number(nineDecimals(x)) : x;
}

/** Round to 9 decimals, then to some decimals by a mode; in whole numbers, so that no digit is lost. */
function roundDecimal(x, mode, decimals) {
  if (Math.abs(x) >= 2 ** 53) return x;
  const text = nineDecimals(x);
  const sign = x < 0 ? -1n : 1n;
  const units = sign * BigInt(text.replace(".", ""));
  const step = 10n ** BigInt(9 - decimals);
  let whole = units / step;
  let rest = units % step;
  if (rest < 0n) {
    whole -= 1n;
    rest += step;
  }
  if (mode === "Up") whole += rest > 0n ? 1n : 0n;
  else if (mode === "HalfUp") whole += 2n * rest >= step ? 1n : 0n;
  else if (mode === "HalfEven")
    whole += 2n * rest > step || (2n * rest === step && whole % 2n !== 0n) ? 1n : 0n;
  return Number(whole) / 10 ** decimals;
}

function worst(values) {
  return LEVELS[Math.max(0, ...values.filter(lacks).map((one) => one.level))];
}

function strictly(nodes, values, work) {
  const found = nodes.map((node) => run(node, values));
  const reason = worst(found);
  if (reason) return reason;
  const result = work(found);
  return Number.isFinite(result) ? result : FAILED;
}

const truth = (is) => (is ? 1 : 0);
const OPERATIONS = { "+": (a, b) => a + b, "-": (a, b) => a - b, "*": (a, b) => a * b, "/": (a, b) => a / b };
const RELATIONS = {
  "==": (a, b) => a === b,
  "!=": (a, b) => a !== b,
  "<": (a, b) => a < b,
  "<=": (a, b) => a <= b,
  ">": (a, b) => a > b,
  ">=": (a, b) => a >= b,
};

function compare(operator, left, right, values) {
  const result = strictly([left, right], values, ([a, b]) => truth(RELATIONS[operator](nine(a), nine(b))));
  return result === HIDDEN ? 0 : result;
}

const identity = (value) => (typeof value === "string" || lacks(value) ? value : nine(value));

function side(node, values, seesMissing) {
  if (node[0] === "Text") return node[1];
  if (node[0] !== "Reference") return identity(run(node, values));
  let seen = values.get(node[1]);
  if (seen instanceof Missing) seen = seesMissing ? seen.value : undefined;
  if (seen === undefined || seen === null) return NULL;
  return seen === NOT_SHOWN ? HIDDEN : identity(seen);
}

function match(operator, left, right, values) {
  const isNamed = (node) => node[0] === "Text" || node[0] === "Reference";
  const seesMissing = isNamed(left) && isNamed(right);
  const [one, other] = [side(left, values, seesMissing), side(right, values, seesMissing)];
  const reason = worst([one, other]);
  if (reason) return reason === HIDDEN ? 0 : reason;
  return truth((one === other) === (operator === "=="));
}

function logic(nodes, values, deciding) {
  let [level, failed] = [0, false];
  for (const node of nodes) {
    const result = run(node, values);
    if (lacks(result)) {
      level = Math.max(level, result.level);
      failed ||= result === FAILED;
    } else if ((nine(result) !== 0) === deciding) {
      return failed ? FAILED : truth(deciding);
    }
  }
  return LEVELS[level] ?? truth(!deciding);
}

function chain(numbers, operators) {
  let total = numbers[0];
  for (let place = 1; place < numbers.length; place++) {
    total = OPERATIONS[operators[place - 1]](total, numbers[place]);
    if (!Number.isFinite(total)) return total;
  }
  return total;
}

const sum = (numbers) => numbers.reduce((total, one) => total + one, 0);
const AGGREGATES = {
  min: (numbers) => Math.min(...numbers),
  max: (numbers) => Math.max(...numbers),
  sum,
  mean: (numbers) => sum(numbers) / numbers.length,
};

const EVALUATORS = {
  Number: ([, value]) => value,
  Null: () => NULL,
  Reference([, name], values) {
    const seen = values.get(name);
    if (seen === undefined || seen === null || seen instanceof Missing) return NULL;
    return seen === NOT_SHOWN ? HIDDEN : Number(seen);
  },
  Arithmetic: ([, operators, nodes], values) => strictly(nodes, values, (found) => chain(found, operators)),
  Negative: ([, node], values) => strictly([node], values, ([x]) => -x),
  Compare: ([, operator, left, right], values) => compare(operator, left, right, values),
  Match: ([, operator, left, right], values) => match(operator, left, right, values),
  And: ([, nodes], values) => logic(nodes, values, false),
  Or: ([, nodes], values) => logic(nodes, values, true),
  Not: ([, node], values) => strictly([node], values, ([x]) => truth(nine(x) === 0)),
  If([, condition, then, otherwise], values) {
    const result = run(condition, values);
    if (lacks(result)) return result;
    return run(nine(result) !== 0 ? then : otherwise, values);
  },
  Aggregate: ([, name, nodes], values) => strictly(nodes, values, AGGREGATES[name]),
  Count([, operator, compared, matched, right], values) {
    const found = [
      ...compared.map((node) => compare(operator, node, right, values)),
      ...matched.map((node) => match(operator, node, right, values)),
    ];
    return worst(found) ?? sum(found);
  },
  Answered([, items], values) {
    const isAnswered = (one) => !(one === undefined || one === null || one === NOT_SHOWN || one instanceof Missing);
    return items.filter((item) => isAnswered(values.get(item))).length;
  },
  Absolute: ([, node], values) => strictly([node], values, ([x]) => Math.abs(x)),
  Round: ([, node, mode, decimals], values) => strictly([node], values, ([x]) => roundDecimal(x, mode, decimals)),
};

function run(node, values) {
  return EVALUATORS[node[0]](node, values);
}

/** Return whether a condition holds: true, false, or null if an answer that it needs is missing. */
export function holds(tree, values) {
  const result = run(tree, values);
  return lacks(result) ? null : nine(result) !== 0;
}

/**
 * Return whether each question is shown, by id; null: an earlier answer is missing.
 *
 * `items`, in the order of the form: {id, type, options, missing, answer, conditions, shown}; `shown` is given for
 * questions of other pages. `attributes`: values by id.
 */
export function states(items, attributes) {
  const values = new Map(Object.entries(attributes));
  const found = new Map();
  for (const item of items) {
    const results = (item.conditions ?? []).map((tree) => holds(tree, values));
    let shown = results.includes(false) ? false : results.includes(null) ? null : true;
    if (item.shown !== undefined) shown = item.shown;
    if (shown === false) {
      values.set(item.id, NOT_SHOWN);
      for (const option of item.options ?? []) values.set(`${item.id}.${option}`, NOT_SHOWN);
    } else if (item.answer !== undefined && item.answer !== null) {
      name(item, values);
    }
    found.set(item.id, shown);
  }
  return found;
}

function name(item, values) {
  const missing = item.missing ?? [];
  const { id, answer } = item;
  const options = item.options ?? [];
  if (item.type === "Choice") {
    values.set(id, missing.includes(answer) ? new Missing(answer) : answer);
  } else if (item.type === "Multiple") {
    if (answer.some((value) => missing.includes(value))) return;
    values.set(id, answer);
    for (const option of options) values.set(`${id}.${option}`, answer.includes(option) ? 1 : 0);
  } else if (item.type === "Ranking") {
    values.set(id, answer);
    answer.forEach((option, rank) => values.set(`${id}.${option}`, options.length - rank));
  } else {
    values.set(id, answer);
  }
}
