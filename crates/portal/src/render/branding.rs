//! The portal's name, logo and accent colour; the accent is moved until it can be read on both schemes.

use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::Logo;

/// What the portal is called and looks like, from `[portal]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Branding {
    /// On every page and mail.
    pub name: String,
    /// Beside the name on pages, in place of the key.
    pub logo: Option<Logo>,
    /// As given; pages use [`Branding::style_sheet`], mails the shade for a light ground.
    pub accent: Accent,
    /// Where readers get help.
    pub support_url: Option<String>,
    /// Terms of service.
    pub terms_url: Option<String>,
    /// Privacy statement.
    pub privacy_url: Option<String>,
}

impl Branding {
    /// With a name, an accent written `#rrggbb`, and no links.
    pub fn new(name: impl Into<String>, accent: &str) -> Result<Self, InvalidAccent> {
        let accent = accent.parse()?;
        Ok(Self {
            name: name.into(),
            logo: None,
            accent,
            support_url: None,
            terms_url: None,
            privacy_url: None,
        })
    }

    /// Sets the accent for both colour schemes.
    pub(super) fn style_sheet(&self) -> String {
        let Accent(given) = self.accent;
        format!(":root{{--accent:light-dark({},{})}}\n", hex(on_light(given)), hex(on_dark(given)))
    }
}

impl Default for Branding {
    fn default() -> Self {
        Self {
            name: "Keyway".to_owned(),
            logo: None,
            accent: Accent([0x0b, 0x5c, 0xad]),
            support_url: None,
            terms_url: None,
            privacy_url: None,
        }
    }
}

/// The accent colour. Serialised as the shade that can be read on white.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accent([u8; 3]);

impl Accent {
    /// The shade that pages with a light ground use, where the colour as given could not be read on it.
    pub fn darkened(self) -> Option<String> {
        let shade = on_light(self.0);
        (shade != self.0).then(|| hex(shade))
    }
}

/// Why a text is no accent colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an accent colour is written #rrggbb")]
pub struct InvalidAccent;

impl FromStr for Accent {
    type Err = InvalidAccent;
    fn from_str(text: &str) -> Result<Self, InvalidAccent> {
        let digits =
            text.strip_prefix('#').filter(|d| d.len() == 6 && d.bytes().all(|b| b.is_ascii_hexdigit()));
        let all = u32::from_str_radix(digits.ok_or(InvalidAccent)?, 16).map_err(|_| InvalidAccent)?;
        let [_, r, g, b] = all.to_be_bytes();
        Ok(Self([r, g, b]))
    }
}

impl Serialize for Accent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex(on_light(self.0)))
    }
}

/// The lightest ground of the dark scheme and the darkest of the light one, on which accent text stands.
const DARK_GROUND: [u8; 3] = [0x24, 0x27, 0x2c];
const LIGHT_GROUND: [u8; 3] = [0xf0, 0xf1, 0xf3];
/// WCAG 2.2 wants 4.5; the rest covers rounding and tinted grounds.
const CONTRAST: f64 = 4.8;

fn on_light(colour: [u8; 3]) -> [u8; 3] {
    until_readable(colour, [0, 0, 0], LIGHT_GROUND)
}

fn on_dark(colour: [u8; 3]) -> [u8; 3] {
    until_readable(colour, [255, 255, 255], DARK_GROUND)
}

/// Mixes `colour` with `pole` in steps of a fortieth until it can be read on `ground`.
fn until_readable(colour: [u8; 3], pole: [u8; 3], ground: [u8; 3]) -> [u8; 3] {
    let mixed = |step: u32| {
        let [r, g, b] = colour;
        let [pr, pg, pb] = pole;
        // A weighted mean of two bytes is a byte.
        let mix = |a: u8, b: u8| ((u32::from(a) * (40 - step) + u32::from(b) * step) / 40) as u8;
        [mix(r, pr), mix(g, pg), mix(b, pb)]
    };
    (0..=40).map(mixed).find(|&shade| contrast(shade, ground) >= CONTRAST).unwrap_or(pole)
}

/// The contrast ratio of WCAG 2.2, between 1 and 21.
fn contrast(a: [u8; 3], b: [u8; 3]) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

fn luminance([r, g, b]: [u8; 3]) -> f64 {
    let linear = |channel: u8| {
        let c = f64::from(channel) / 255.0;
        if c <= 0.040_45 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
}

fn hex([r, g, b]: [u8; 3]) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_accent_can_be_read_on_both_schemes() {
        for text in ["#000000", "#ffffff", "#ffff00", "#0b5cad", "#777777", "#ff0000", "#00ff88"] {
            let Accent(given) = text.parse().unwrap();
            assert!(contrast(on_light(given), LIGHT_GROUND) >= 4.5, "{text}");
            assert!(contrast(on_light(given), [255; 3]) >= 4.5, "{text}");
            assert!(contrast(on_dark(given), DARK_GROUND) >= 4.5, "{text}");
        }
        assert_eq!(Accent([0x0b, 0x5c, 0xad]).darkened(), None, "a readable accent is kept");
        assert!(Accent([0xff, 0xff, 0x00]).darkened().is_some());
    }

    #[test]
    fn what_is_no_colour_is_refused() {
        for bad in ["", "#fff", "0b5cad", "#0b5cag", "#0b5cad;}", "#é5cad"] {
            assert_eq!(bad.parse::<Accent>(), Err(InvalidAccent), "{bad}");
        }
    }
}
