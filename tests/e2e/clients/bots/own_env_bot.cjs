// own_env_bot.cjs TOKEN worker|fork|exec|cluster: ws_bot.cjs in a thread or process with an environment made for it.
const { execFile, fork } = require("node:child_process");
const cluster = require("node:cluster");
const { join } = require("node:path");
const { Worker } = require("node:worker_threads");

const [token, how] = process.argv.slice(2);
const bot = join(__dirname, "ws_bot.cjs");
const env = { PATH: process.env.PATH };
if (how === "worker") new Worker(bot, { argv: [token], env });
if (how === "fork") fork(bot, [token], { env });
if (how === "exec") execFile(process.execPath, [bot, token], { env });
if (how === "cluster") {
  cluster.setupPrimary({ exec: bot, args: [token] });
  cluster.fork({ SHARD: "0" });
}
