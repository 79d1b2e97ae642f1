const Eris = require("eris");

const bot = new Eris(`Bot ${process.argv[2]}`, { intents: ["guilds", "guildMessages"] });
bot.on("ready", () => console.log("ready"));
bot.on("error", (error) => console.error("error", error.message));
bot.connect();
