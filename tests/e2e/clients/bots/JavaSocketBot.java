import java.io.DataInputStream;
import java.io.OutputStream;
import javax.net.ssl.SSLSocketFactory;

/** JavaSocketBot TOKEN: on a plain socket, as nv-websocket-client opens it, on which JDA is built. */
class JavaSocketBot {
    public static void main(String[] arguments) throws Exception {
        var socket = SSLSocketFactory.getDefault().createSocket("gateway.discord.gg", 443);
        var output = socket.getOutputStream();
        var input = new DataInputStream(socket.getInputStream());
        var upgrade = "GET /?v=10&encoding=json HTTP/1.1\r\nHost: gateway.discord.gg\r\nConnection: Upgrade\r\n"
                + "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: c2ltdWxhdG9yLXNpbXVsYQ==\r\n\r\n";
        output.write(upgrade.getBytes());
        var answer = new StringBuilder();
        while (answer.indexOf("\r\n\r\n") < 0) {
            answer.append((char) input.readUnsignedByte());
        }
        read(input);
        send(output, "{\"op\":1,\"d\":null}");
        var properties = "\"properties\":{\"os\":\"linux\"}";
        send(output, "{\"op\":2,\"d\":{\"token\":\"" + arguments[0] + "\",\"intents\":1," + properties + "}}");
        while (!read(input).contains("\"READY\"")) {
        }
        Thread.sleep(60_000);
    }

    private static void send(OutputStream output, String text) throws Exception {
        var data = text.getBytes();
        output.write(0x81);
        if (data.length < 126) {
            output.write(0x80 | data.length);
        } else {
            output.write(new byte[] {(byte) 0xfe, (byte) (data.length >> 8), (byte) data.length});
        }
        // Masked with zeros, which leaves it as it is.
        output.write(new byte[4]);
        output.write(data);
        output.flush();
    }

    private static String read(DataInputStream input) throws Exception {
        input.readUnsignedByte();
        int length = input.readUnsignedByte();
        length = length == 126 ? input.readUnsignedShort() : length == 127 ? (int) input.readLong() : length;
        return new String(input.readNBytes(length));
    }
}
