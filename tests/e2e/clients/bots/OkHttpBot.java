import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.Response;
import okhttp3.WebSocket;
import okhttp3.WebSocketListener;

/** OkHttpBot TOKEN: on OkHttp. */
class OkHttpBot {
    public static void main(String[] arguments) throws Exception {
        var url = "https://gateway.discord.gg/?v=10&encoding=json";
        var listener = new WebSocketListener() {
            @Override
            public void onMessage(WebSocket ws, String text) {
                if (text.contains("\"op\":10")) {
                    ws.send("{\"op\":1,\"d\":null}");
                    var properties = "\"properties\":{\"os\":\"linux\"}";
                    ws.send("{\"op\":2,\"d\":{\"token\":\"" + arguments[0] + "\",\"intents\":1," + properties + "}}");
                }
            }

            @Override
            public void onFailure(WebSocket ws, Throwable error, Response response) {
                error.printStackTrace();
                System.exit(1);
            }
        };
        new OkHttpClient().newWebSocket(new Request.Builder().url(url).build(), listener);
        Thread.sleep(60_000);
    }
}
