import { WebSocket } from "undici";
import { GATEWAY, talk } from "./login.cjs";

talk(new WebSocket(GATEWAY), process.argv[2]);
