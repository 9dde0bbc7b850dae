//! A picture for a camera that is none: terraced hills, drawn here, as a file that Chromium plays for a camera.
//!
//! The format is YUV4MPEG2 (a header line, then `FRAME` and three planes per picture), 4:2:0, full range.

use std::f32::consts::TAU;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Frames per second of the file.
pub(super) const FPS: u32 = 15;
/// The film repeats after this many frames; everything in it moves with this period.
const FRAMES: usize = 20;
/// Ridges, the farthest first.
const RIDGES: usize = 5;

/// One view, told apart by its colour and by the shape of its hills.
#[derive(Clone, Copy)]
pub(super) struct Scene {
    /// Of sky and hills, in degrees.
    pub(super) hue: f32,
    /// Any number; another one gives other hills.
    pub(super) shape: f32,
}

/// Writes a film of this scene and returns the flag that makes Chromium's camera show it.
pub(super) fn camera_flag(
    folder: &Path,
    name: &str,
    scene: Scene,
    (width, height): (usize, usize),
) -> String {
    let path: PathBuf = folder.join(format!("{name}.y4m"));
    let mut file = BufWriter::new(File::create(&path).unwrap());
    writeln!(file, "YUV4MPEG2 W{width} H{height} F{FPS}:1 Ip A1:1 C420jpeg").unwrap();
    for frame in 0..FRAMES {
        file.write_all(b"FRAME\n").unwrap();
        let picture = draw(scene, frame as f32 / FRAMES as f32, width, height);
        for plane in planes(&picture, width, height) {
            file.write_all(&plane).unwrap();
        }
    }
    file.into_inner().unwrap().sync_all().unwrap();
    format!("--use-file-for-fake-video-capture={}", path.display())
}

type Colour = [f32; 3];

/// Red, green and blue from 0 to 1, row by row. `moment` runs from 0 to 1 and begins again.
fn draw(scene: Scene, moment: f32, width: usize, height: usize) -> Vec<Colour> {
    let Scene { hue, shape } = scene;
    let (w, h) = (width as f32, height as f32);
    let sun = (0.28 + 0.44 * (shape * 0.37).fract(), 0.30 + 0.012 * (TAU * moment).sin(), 0.115);
    let skyline: Vec<[f32; RIDGES]> = (0..width)
        .map(|column| std::array::from_fn(|ridge| ridge_height(shape, moment, ridge, column as f32 / w)))
        .collect();
    let mut picture = Vec::with_capacity(width * height);
    for row in 0..height {
        let y = row as f32 / h;
        picture.extend(skyline.iter().enumerate().map(|(column, ridges)| {
            match (0..RIDGES).rev().find(|ridge| y > ridges[*ridge]) {
                Some(nearest) => hill(hue, nearest, y - ridges[nearest]),
                None => sky(hue, column as f32 / w, y, w / h, sun),
            }
        }));
    }
    picture
}

/// How far from the top a ridge is at this place, in heights of the picture.
fn ridge_height(shape: f32, moment: f32, ridge: usize, x: f32) -> f32 {
    let near = ridge as f32;
    let sway = 0.004 * (near + 1.0) * (TAU * moment + near).sin();
    let (a, b) = (1.4 + 0.55 * near, 3.1 + 0.9 * near);
    let wave = 0.075 * (TAU * (x + sway) * a * 0.5 + shape * 2.1 + near * 1.9).sin()
        + 0.026 * (TAU * (x + sway) * b * 0.5 + shape * 3.3 + near * 2.7).sin();
    0.46 + 0.115 * near + wave * (1.0 - 0.09 * near)
}

/// Terraces: bands along the slope, each a little darker, with a light edge.
fn hill(hue: f32, ridge: usize, below: f32) -> Colour {
    let near = ridge as f32;
    let step = 0.042 + 0.005 * near;
    let band = (below / step).floor();
    let edge = if (below / step).fract() < 0.13 { 0.030 } else { 0.0 };
    let lightness = 0.63 - 0.105 * near - 0.018 * band + edge;
    colour(hue + 4.0 * near, 0.30 + 0.05 * near, lightness.max(0.07))
}

fn sky(hue: f32, x: f32, y: f32, aspect: f32, (sun_x, sun_y, radius): (f32, f32, f32)) -> Colour {
    let away = (((x - sun_x) * aspect).powi(2) + (y - sun_y).powi(2)).sqrt();
    if away < radius {
        return colour(hue + 40.0, 0.95, 0.94);
    }
    let glow = (1.0 - (away - radius) / 0.5).max(0.0).powi(2) * 0.09;
    colour(hue + 35.0 * y, 0.55, 0.74 + 0.20 * y + glow)
}

/// From hue in degrees, saturation and lightness.
fn colour(hue: f32, saturation: f32, lightness: f32) -> Colour {
    let lightness = lightness.min(0.97);
    let chroma = saturation * lightness.min(1.0 - lightness);
    [0.0, 8.0, 4.0].map(|offset| {
        let k = (offset + hue.rem_euclid(360.0) / 30.0) % 12.0;
        lightness - chroma * (k - 3.0).min(9.0 - k).clamp(-1.0, 1.0)
    })
}

/// Luma, and both chroma planes at half size (ITU-R BT.601, full range).
fn planes(picture: &[Colour], width: usize, height: usize) -> [Vec<u8>; 3] {
    let byte = |value: f32| (value * 255.0).round().clamp(0.0, 255.0) as u8;
    let luma = |[r, g, b]: Colour| 0.299 * r + 0.587 * g + 0.114 * b;
    let y = picture.iter().map(|pixel| byte(luma(*pixel))).collect();
    let (mut u, mut v) = (Vec::new(), Vec::new());
    for row in (0..height).step_by(2) {
        for column in (0..width).step_by(2) {
            let pixel = picture[row * width + column];
            u.push(byte((pixel[2] - luma(pixel)) / 1.772 + 0.5));
            v.push(byte((pixel[0] - luma(pixel)) / 1.402 + 0.5));
        }
    }
    [y, u, v]
}
