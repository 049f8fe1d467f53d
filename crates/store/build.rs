//! The migrations are embedded: a new folder must be noticed.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations");
}
