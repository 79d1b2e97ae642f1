// eris_log_bot.cjs TOKEN: obeys the simulator, and prints what docs/logs.md has people print.
const Eris = require("eris");

const intents = ["guilds", "guildMessages", "messageContent", "guildMessageReactions", "guildMessageTyping", "guildPresences"];
const bot = new Eris(`Bot ${process.argv[2]}`, { intents });
bot.on("debug", (message, shard) => console.log(new Date().toISOString(), `shard ${shard ?? 0} debug`, message));
bot.on("rawWS", (packet, shard) => console.log(JSON.stringify({ at: new Date(), shard, packet })));
bot.on("error", (error) => console.log(new Date().toISOString(), "error", error.message));
bot.on("messageCreate", ({ content }) => {
  if (content === "!status") bot.editStatus("idle", { name: "dice", type: 0 });
  if (content === "!goodbye") {
    bot.disconnect({ reconnect: false });
    setTimeout(() => process.exit(0), 200);
  }
});
bot.connect();
