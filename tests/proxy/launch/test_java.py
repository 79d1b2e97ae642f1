"""What makes a JVM use the proxy and trust it."""

import shlex
import shutil
import subprocess
from pathlib import Path

import certifi
import pytest

from inspector.proxy.launch.java import java_variables, key_store
from inspector.proxy.mitmdump import Settings

# Prints what a JVM was given.
PROPERTIES = """
class Properties {
    public static void main(String[] names) {
        for (String name : names) System.out.println(System.getProperty(name));
    }
}
"""


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(Path(certifi.where()).read_text("utf-8"), "utf-8")
    return bundle


def options(settings: Settings, bundle: Path, theirs: str = "") -> list[str]:
    found = java_variables(settings, bundle, bundle.with_name("store.jks"), {"JAVA_TOOL_OPTIONS": theirs})
    return shlex.split(found["JAVA_TOOL_OPTIONS"])


def test_a_jvm_is_led_to_the_proxy_and_trusts_it(bundle: Path) -> None:
    found = options(Settings(bundle.with_name("x.gwcap"), port=9137), bundle)
    for option in ("-Dhttps.proxyHost=127.0.0.1", "-Dhttps.proxyPort=9137", "-Dhttp.proxyPort=9137"):
        assert option in found
    assert f"-Djavax.net.ssl.trustStore={bundle.with_name('store.jks')}" in found


def test_where_traffic_comes_by_itself_it_is_about_trust_alone(bundle: Path) -> None:
    found = options(Settings(bundle.with_name("x.gwcap"), modes=("wireguard",)), bundle)
    assert found
    assert all(option.startswith("-Djavax.net.ssl.") for option in found)


def test_what_a_user_has_stays_in_front(bundle: Path) -> None:
    """Of two values of one property, the later counts."""
    found = options(Settings(bundle.with_name("x.gwcap")), bundle, "-Xmx64m -Dhttps.proxyHost=mine")
    assert found[:2] == ["-Xmx64m", "-Dhttps.proxyHost=mine"]
    assert found.index("-Dhttps.proxyHost=127.0.0.1") > 1


@pytest.mark.skipif(shutil.which("keytool") is None, reason="there is no Java")
def test_java_reads_the_key_store(tmp_path: Path) -> None:
    authorities = Path(certifi.where()).read_text("utf-8")
    (tmp_path / "store.jks").write_bytes(key_store(authorities))
    command = ["keytool", "-list", "-keystore", str(tmp_path / "store.jks"), "-storepass", "changeit"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert listed.count("trustedCertEntry") == authorities.count("BEGIN CERTIFICATE") > 100


@pytest.mark.skipif(shutil.which("javac") is None, reason="there is no JDK")
def test_a_folder_with_a_space_in_its_name_reaches_a_jvm(bundle: Path, tmp_path: Path) -> None:
    folder = tmp_path / "it's a folder"
    folder.mkdir()
    settings = Settings(tmp_path / "x.gwcap", port=9137)
    variables = java_variables(settings, bundle, folder / "store.jks", {})
    (tmp_path / "Properties.java").write_text(PROPERTIES)
    names = ["javax.net.ssl.trustStore", "https.proxyPort"]
    command = ["java", str(tmp_path / "Properties.java"), *names]
    said = subprocess.run(
        command, env={"PATH": "/usr/bin:/bin", **variables}, capture_output=True, text=True, check=True
    )
    assert said.stdout.splitlines() == [str(folder / "store.jks"), "9137"]
