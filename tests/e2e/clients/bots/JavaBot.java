import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.LinkedBlockingQueue;

/** JavaBot TOKEN: on the WebSocket of java.net.http. */
class JavaBot {
    public static void main(String[] arguments) throws Exception {
        var heard = new LinkedBlockingQueue<String>();
        var listener = new WebSocket.Listener() {
            private String begun = "";

            @Override
            public CompletionStage<?> onText(WebSocket ws, CharSequence data, boolean last) {
                begun += data;
                if (last) {
                    heard.add(begun);
                    begun = "";
                }
                ws.request(1);
                return null;
            }

            @Override
            public void onError(WebSocket ws, Throwable error) {
                error.printStackTrace();
                System.exit(1);
            }
        };
        var url = URI.create("wss://gateway.discord.gg/?v=10&encoding=json");
        var ws = HttpClient.newHttpClient().newWebSocketBuilder().buildAsync(url, listener).join();
        heard.take();
        ws.sendText("{\"op\":1,\"d\":null}", true).join();
        var properties = "\"properties\":{\"os\":\"linux\"}";
        ws.sendText("{\"op\":2,\"d\":{\"token\":\"" + arguments[0] + "\",\"intents\":1," + properties + "}}", true).join();
        while (!heard.take().contains("\"READY\"")) {
        }
        Thread.sleep(60_000);
    }
}
