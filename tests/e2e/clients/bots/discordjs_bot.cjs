// discordjs_bot.cjs TOKEN [workers]: with workers its shards run in threads.
const { Client, GatewayIntentBits, WorkerShardingStrategy } = require("discord.js");

const [token, how] = process.argv.slice(2);
const buildStrategy = (manager) => new WorkerShardingStrategy(manager, { shardsPerWorker: "all" });
const client = new Client({
  intents: [GatewayIntentBits.Guilds, GatewayIntentBits.GuildMessages],
  ...(how === "workers" ? { ws: { buildStrategy } } : {}),
});
client.once("clientReady", () => console.log("ready"));
client.on("error", (error) => console.error("error", error.message));
client.login(token);
