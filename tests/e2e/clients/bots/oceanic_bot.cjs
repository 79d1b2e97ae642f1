const { Client } = require("oceanic.js");

const client = new Client({ auth: `Bot ${process.argv[2]}`, gateway: { intents: ["GUILDS", "GUILD_MESSAGES"] } });
client.on("ready", () => console.log("ready"));
client.on("error", (error) => console.error("error", error.message));
client.connect();
