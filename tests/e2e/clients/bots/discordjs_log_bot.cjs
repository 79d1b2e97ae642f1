// discordjs_log_bot.cjs TOKEN: obeys the simulator, and prints what docs/logs.md has people print.
const { ActivityType, Client, GatewayIntentBits: bits } = require("discord.js");

const client = new Client({
  intents: [bits.Guilds, bits.GuildMessages, bits.MessageContent, bits.GuildMessageReactions, bits.GuildMessageTyping, bits.GuildPresences],
});
client.on("debug", (message) => console.log(new Date().toISOString(), message));
client.on("raw", (packet, shard) => console.log(JSON.stringify({ at: new Date(), shard, packet })));
client.on("messageCreate", ({ content }) => {
  if (content === "!status") client.user.setPresence({ status: "idle", activities: [{ name: "dice", type: ActivityType.Playing }] });
  if (content === "!goodbye") client.destroy().then(() => setTimeout(() => process.exit(0), 200));
});
client.login(process.argv[2]);
