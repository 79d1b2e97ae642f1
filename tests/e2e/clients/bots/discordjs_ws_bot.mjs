// discordjs_ws_bot.mjs TOKEN [workers]
import { REST } from "@discordjs/rest";
import { WebSocketManager, WebSocketShardEvents, WorkerShardingStrategy } from "@discordjs/ws";

const [token, how] = process.argv.slice(2);
const rest = new REST().setToken(token);
const manager = new WebSocketManager({
  token,
  intents: 513,
  rest,
  fetchGatewayInformation: () => rest.get("/gateway/bot"),
  ...(how === "workers" ? { buildStrategy: (of) => new WorkerShardingStrategy(of, { shardsPerWorker: "all" }) } : {}),
});
manager.on(WebSocketShardEvents.Ready, () => console.log("ready"));
await manager.connect();
