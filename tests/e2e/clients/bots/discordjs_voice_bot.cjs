// Joins the first voice channel that it sees.
const { joinVoiceChannel, VoiceConnectionStatus } = require("@discordjs/voice");
const { ChannelType, Client, GatewayIntentBits } = require("discord.js");

const client = new Client({ intents: [GatewayIntentBits.Guilds, GatewayIntentBits.GuildVoiceStates] });
client.once("clientReady", () => {
  const channel = client.channels.cache.find(({ type }) => type === ChannelType.GuildVoice);
  const { guildId, guild } = channel;
  const connection = joinVoiceChannel({ channelId: channel.id, guildId, adapterCreator: guild.voiceAdapterCreator });
  connection.on("error", (error) => console.error("error", error.message));
  connection.on(VoiceConnectionStatus.Ready, () => console.log("ready"));
});
client.on("error", (error) => console.error("error", error.message));
client.login(process.argv[2]);
