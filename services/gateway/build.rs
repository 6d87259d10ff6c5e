//! Lays out the page to embed: what `npm run build` made, or without it a page that says how to make it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const WITHOUT: &str = "<!doctype html><meta charset=\"utf-8\"><title>Bondbox gateway</title>\
    <body style=\"font:16px sans-serif;max-width:40em;margin:4em auto\"><h1>The page was not built</h1>\
    <p>This gateway was built without its page. Run <code>make page</code>, or <code>npm ci && npm run build</code> in \
    <code>services/gateway/page</code>, and build the gateway again.</p>\
    <p>What works without it: <a href=\"api/status\">api/status</a>, <a href=\"metrics\">metrics</a>, and \
    <code>/live/NAME.ts</code> in a player.</p>";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=page/dist");
    let target = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it")).join("page");
    let _ = fs::remove_dir_all(&target);
    fs::create_dir_all(&target)?;
    let dist = Path::new("page/dist");
    if dist.join("index.html").exists() {
        return copy(dist, &target);
    }
    fs::write(target.join("index.html"), WITHOUT)
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
