// discordjs_resume_bot.cjs TOKEN: obeys the simulator, and says when it has resumed.
const { Client, GatewayIntentBits, ActivityType } = require('discord.js');
const bits = GatewayIntentBits;
const bot = new Client({
  intents: [bits.Guilds, bits.GuildMessages, bits.MessageContent, bits.GuildMessageReactions, bits.GuildMessageTyping, bits.GuildPresences],
});
bot.on('messageCreate', m => {
  if (m.content === '!status') bot.user.setPresence({ status: 'idle', activities: [{ name: 'dice', type: ActivityType.Playing }] });
  if (m.content === '!members') m.guild.members.fetch({ query: 'a', limit: 100 }).catch(error => console.error(error.message));
  if (m.content === '!goodbye') { bot.destroy(); setTimeout(() => process.exit(0), 200); }
});
bot.on('shardResume', () => console.log('RESUMED'));
bot.login(process.argv[2]);
