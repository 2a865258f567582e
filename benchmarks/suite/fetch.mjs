// Node's own fetch, in a process of its own that does what it is told, line by line: see child.py.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const [url] = process.argv.slice(2);
const headers = { Authorization: "Bearer 0", "Content-Type": "application/json" };

// In MiB. maxRSS would begin with what the parent had when it forked.
const peak = () => Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]) / 1024;
// perf_counter_ns() of Python is the same clock.
const clock = () => process.hrtime.bigint();
const quantile = (times, share) =>
  times.sort((a, b) => a - b)[Math.min(times.length - 1, Math.floor(times.length * share))];

async function one(gameID, told) {
  const response = await fetch(`${url}/session/cancelAllOrdersForGame`, {
    method: "POST",
    headers,
    body: JSON.stringify({ gameID }),
  });
  if (!response.ok) throw new Error(`status ${response.status}`);
  const { data } = await response.json();
  told?.(clock());
  return data;
}

console.log(JSON.stringify({ peak: peak() }));
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  const games = Array.from({ length: command.games }, (_, game) =>
    ((0x65b036dfn << 64n) | BigInt(game)).toString(16).padStart(24, "0"),
  );
  const times = [];
  const told = command.each ? (at) => times.push(Number(at - began) / 1e9) : undefined;
  globalThis.gc?.();
  const cpu = process.cpuUsage();
  const began = clock();
  const answers = await Promise.all(games.map((game) => one(game, told)));
  const wall = Number(clock() - began) / 1e9;
  const { user, system } = process.cpuUsage(cpu);
  for (const [at, rows] of answers.entries())
    if (rows.length !== command.orders || !rows.every((row) => row.success && row.gameID === games[at]))
      throw new Error("the orders are not those of the games");
  console.log(
    JSON.stringify({
      began: 0,
      wall,
      cpu: (user + system) / 1e6,
      p50: times.length ? quantile(times, 0.5) : null,
      p99: times.length ? quantile(times, 0.99) : null,
      peak: peak(),
    }).replace('"began":0', `"began":${began}`),
  );
}
