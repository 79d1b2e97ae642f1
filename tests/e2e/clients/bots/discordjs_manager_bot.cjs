// discordjs_manager_bot.cjs TOKEN process|worker: its shards are discordjs_bot.cjs in processes or threads.
const { join } = require("node:path");
const { ShardingManager } = require("discord.js");

const [token, mode] = process.argv.slice(2);
const bot = join(__dirname, "discordjs_bot.cjs");
const manager = new ShardingManager(bot, { token, mode, totalShards: 1, shardArgs: [token] });
manager.spawn();
setInterval(() => {}, 1000);
