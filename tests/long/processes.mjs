// Measures the processes of workerd by Linux's /proc: memory, open descriptors and CPU time. Elsewhere there are none.
import { existsSync, readFileSync, readdirSync } from "node:fs";

const PAGE_BYTES = 4_096;
const TICKS_PER_SECOND = 100;

/** The name of a process and the fields of its stat file behind the name, or undefined if it has ended. */
function statOf(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    const end = text.lastIndexOf(")");
    return { name: text.slice(text.indexOf("(") + 1, end), fields: text.slice(end + 2).split(" ") };
  } catch {
    return undefined;
  }
}

/** The ids of the processes of workerd that this process has started, directly or not. */
function workerdProcesses() {
  if (!existsSync("/proc/self/stat")) return [];
  const processes = new Map();
  for (const entry of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    const stat = statOf(entry);
    if (stat) processes.set(Number(entry), { name: stat.name, parent: Number(stat.fields[1]) });
  }
  const isOurs = (pid) => pid === process.pid || (processes.has(pid) && isOurs(processes.get(pid).parent));
  return [...processes].filter(([pid, { name }]) => name === "workerd" && isOurs(pid)).map(([pid]) => pid);
}

/** The sums over all processes of workerd: resident memory in bytes, open descriptors, and CPU time in seconds. */
export function measureWorkerd() {
  const sums = { processes: 0, residentBytes: 0, descriptors: 0, cpuSeconds: 0 };
  for (const pid of workerdProcesses()) {
    const { fields } = statOf(pid);
    sums.processes += 1;
    sums.cpuSeconds += (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
    sums.residentBytes += Number(fields[21]) * PAGE_BYTES;
    sums.descriptors += readdirSync(`/proc/${pid}/fd`).length;
  }
  return sums;
}
