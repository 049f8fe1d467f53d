//! Embedded templates and styles are part of the crate: a new or changed file rebuilds it.

fn main() {
    println!("cargo::rerun-if-changed=../../web");
}
